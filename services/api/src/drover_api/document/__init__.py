"""What the OpenAPI document says beyond what the routes' decorators know: errors, headers, links."""
