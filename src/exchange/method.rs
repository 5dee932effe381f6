//! The HTTP methods of MCP.

/// The HTTP methods of MCP, and all the others. Case-sensitive, as HTTP has it.
///
/// Exhaustive on purpose: MCP uses no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Sends a message.
    Post,
    /// Opens a stream.
    Get,
    /// Terminates a session.
    Delete,
    /// Anything that MCP does not use.
    Other,
}

impl From<&str> for Method {
    fn from(method: &str) -> Self {
        match method {
            "POST" => Self::Post,
            "GET" => Self::Get,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::Post, Method::from("POST"));
        assert_eq!(Method::Get, Method::from("GET"));
        assert_eq!(Method::Delete, Method::from("DELETE"));
        for method in ["post", "Get", "PUT", "OPTIONS", "HEAD", "PATCH", ""] {
            assert_eq!(Method::Other, Method::from(method));
        }
    }
}
