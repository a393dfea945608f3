"""The page's drawings, each an SVG element to stand in the page."""
