"""Files of the past become rows: one module an archive's format, and what they share."""
