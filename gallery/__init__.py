"""Pictures of the messages: `python -m gallery` renders real messages and photographs them for docs/gallery."""
