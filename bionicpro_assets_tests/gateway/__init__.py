"""ClickHouse's HTTP protocol in front of the embedded engine, and a wire that breaks where a test wants it to."""
