"""The authorization server: its endpoints, its clients, the people who sign in and the pages they see.

It does not use the SDK's `mcp.server.auth`. Its `OAuthAuthorizationServerProvider` is only reached through the SDK's
handlers, and each of those has to be replaced: `/token` and `/revoke` want `client_id` in the body even beside HTTP
Basic and insist on the one method of authentication a client was registered with; `/revoke` refuses a public client
that sends no `client_secret`; `/token` drops `resource`, and its answers cannot say `DPoP`; `/authorize` sends no `iss`
and cannot ask for a page of ours; the metadata name neither `none` nor client-id metadata documents, and their URLs
change on the way. What would be left of the provider is nine methods between our handlers and our stores.
"""
