// The page at /api.html: every route, to read and to try. Nothing is sent elsewhere.

SwaggerUIBundle({ url: "openapi.json", dom_id: "#routes", deepLinking: true, validatorUrl: null });
