"""From venue sockets to records: one small module a venue, one runtime for all."""
