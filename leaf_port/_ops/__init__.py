"""Operations that the layers share: convolutions, transforms, scans, devices."""
