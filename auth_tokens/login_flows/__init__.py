"""How a person would log in at a provider, done by the desk."""
