"""A fault campaign: thousands of notifications against servers that misbehave, and books that must balance."""
