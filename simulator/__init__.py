"""A made-up market with known truth that speaks every venue's protocol. Shares no decoder with what it tests."""
