"""The MCP face: command line, daemon, bridge, tools, REST and page."""
