"""Templates that tenants and the platform write themselves, and the sandbox that they are filled in by."""
