"""Log in at a provider the way a person would."""
