"""The gateway as a resource server: who sends a request, and what people see and end of their own sign-ins."""
