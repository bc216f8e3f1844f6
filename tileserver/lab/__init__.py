"""Where checkpoints are trained and judged; the server never imports it."""
