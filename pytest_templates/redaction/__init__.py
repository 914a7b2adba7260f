"""What is secret, and its redaction in whatever pytest and the plugin say."""
