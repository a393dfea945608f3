"""Who answers: the live official implementation, or what it answered when it was recorded."""
