"""What every endpoint has in common: the request's session, bodies, pages, ETags, problems."""
