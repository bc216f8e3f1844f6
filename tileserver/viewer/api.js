// The page at /api.html: every route of this server, from its own description.

SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", deepLinking: true });
