"""Credential types: which fields a credential has, and how a run gets them."""
