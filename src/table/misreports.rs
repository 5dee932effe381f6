//! The misreports: terminated sessions that are reported with the wrong status or text.
//!
//! One row is one wording: who reads it, the status it comes with, what is compared, the text
//! (in normal form, where it is compared so), and where it was seen.
//!
//! What stays out, and why:
//!
//! | report | reason |
//! |---|---|
//! | a 2xx with an error in it | every answer would have to be read before it is passed on |
//! | 410 | says of a resource that it is gone, of the session nothing; no server was seen to mean the session |
//! | 5xx beside rmcp's two | another replica may hold the session |
//! | 401 or 403 with a challenge | authorization: a new session would be refused the same way |
//! | a text with the session's ID or other words in it | a part of a text may be an argument of a tool; the whole of one that varies cannot be listed |
//! | any other 400 | what a server finds wrong with a request is no statement about its session |

/// Hands the rows to a macro that makes code of them: `callback! { { rows } rest }`.
macro_rules! with_misreports {
    ($callback:ident! { $($rest:tt)* }) => {
        $callback! {
            {
                MisreportNoValidSessionId {
                    EverySide 400 Text "no valid session id provided"
                    "the TypeScript SDK's README and examples up to 1.29, <https://github.com/cursor/cursor/issues/3640>"
                }
                MisreportNoValidSessionIdForNonInitialize {
                    EverySide 400 Text "no valid session id provided for non-initialize request"
                    "@mastra/mcp 0.14.5"
                }
                MisreportNoValidSessionIdOrNotInitializationRequest {
                    EverySide 400 Text "no valid session id provided or not an initialization request"
                    "mcp-sap-docs, <https://github.com/marianfoo/mcp-sap-docs/pull/46>"
                }
                MisreportNoValidSessionIdOrNotInitializeRequest {
                    EverySide 400 Text "no valid session id provided or not an initialize request"
                    "bnbchain-mcp, <https://github.com/bnb-chain/bnbchain-mcp/blob/877dd3e7e061936805cc07e204430d8f1b8223ef/src/server/http.ts>"
                }
                MisreportNeitherSessionIdNorInitialize {
                    EverySide 400 Text "no valid session id or not an initialize request"
                    "affine-mcp-server, <https://github.com/DAWNCR0W/affine-mcp-server/issues/301>"
                }
                MisreportNoSessionId {
                    EverySide 400 Text "no valid session id"
                    "imageat-mcp, <https://github.com/incendies/imageat-mcp/blob/3ab2b1f5d1658a7d65a3181ff56826a02619b566/src/http.ts>, and other servers made from the TypeScript SDK's examples"
                }
                MisreportInvalidOrMissingSessionId {
                    EverySide 400 Text "invalid or missing session id"
                    "the TypeScript SDK's examples 1.12 to 1.29, GET and DELETE"
                }
                MisreportMissingOrInvalidSessionId {
                    EverySide 400 Text "missing or invalid session id"
                    "mcp-web3-stats, <https://github.com/dennisonbertram/mcp-web3-stats/blob/0fa11f6dcdf1acfce1ff737382d2bb3c005f8570/src/streamable-http-server.ts>"
                }
                MisreportInvalidSessionId {
                    EverySide 400 Text "invalid session id"
                    "mcp-go before <https://github.com/mark3labs/mcp-go/pull/689>"
                }
                MisreportUnknownSession {
                    EverySide 400 Text "unknown session"
                    "ToolHive's transparent proxy before <https://github.com/stacklok/toolhive/issues/4425>"
                }
                MisreportUnknownSessionId {
                    EverySide 400 Text "unknown session id"
                    "SaviyntAPIMCP, <https://github.com/wellingtonestevao-png/SaviyntAPIMCP/blob/f165cabab01833430fef95fa10d631435b6f28ec/src/http-server.ts>"
                }
                MisreportUnknownSessionIdHeader {
                    EverySide 400 Text "unknown mcp-session-id header"
                    "OmniRoute before <https://github.com/diegosouzapw/OmniRoute/pull/5191>"
                }
                MisreportSessionNotFound {
                    EverySide 400 Text "session not found"
                    "Unla, <https://github.com/samanhappy/mcphub/issues/196>"
                }
                MisreportSessionIdNotFound {
                    EverySide 400 Text "session id not found"
                    "no public server is known to say so; listed beside its like"
                }
                MisreportSessionExpired {
                    EverySide 400 Text "session expired"
                    "touchdesigner-mcp, <https://github.com/8beeeaaat/touchdesigner-mcp/blob/275e7d781dba4e537d62329380ae6715abfc5a09/src/transport/httpTransportManager.ts>"
                }
                MisreportSessionHasExpired {
                    EverySide 400 Text "session has expired"
                    "no public server is known to say so; listed beside its like"
                }
                MisreportSessionTerminated {
                    EverySide 400 Text "session terminated"
                    "no public server is known to say so; listed beside its like"
                }
                MisreportSessionIdRequired {
                    EverySide 400 Text "mcp-session-id header is required"
                    "@modelcontextprotocol/sdk 1.32.2 and @hono/mcp 0.3.2, behind a proxy that drops the header"
                }
                MisreportServerNotInitialized {
                    EverySide 400 Text "server not initialized"
                    "@modelcontextprotocol/sdk 1.32.2 with a single transport, after a restart"
                }
                MisreportGetRequiresSessionId {
                    EverySide 400 Text "get request requires a valid session id"
                    "@mastra/mcp 0.14.5"
                }
                MisreportDeleteRequiresSessionId {
                    EverySide 400 Text "delete request requires a valid session id"
                    "@mastra/mcp 0.14.5"
                }
                MisreportInvalidSessionIdHeader {
                    EverySide 400 Text "mcp: invalid session id header"
                    "agentgateway, of an ID that it cannot decode"
                }
                MisreportNoTransport {
                    EverySide 400 Text "no transport found for sessionid"
                    "the TypeScript SDK's README and examples for HTTP+SSE"
                }
                MisreportUnauthorizedSessionNotFound {
                    EverySide 401 Text "session not found"
                    "rmcp up to 0.16, <https://github.com/modelcontextprotocol/rust-sdk/issues/689>"
                }
                MisreportUnauthorizedNoTransport {
                    EverySide 401 Text "no transport found for sessionid"
                    "n8n's McpServer"
                }
                MisreportResumeSessionNotFound {
                    ServerOnly 500 BodyAndSessionId "Encounter an error when resume session: Session not found: "
                    "rmcp 0.8.5 and 3.9.0, where a session ends between its check and its use"
                }
                MisreportResumeServiceTerminated {
                    ServerOnly 500 Body "Encounter an error when resume session: Session error: Session service terminated"
                    "rmcp 0.8.5 and 3.9.0, where a session ends between its check and its use"
                }
            }
            $($rest)*
        }
    };
}

macro_rules! misreports {
    ({ $( $name:ident {
        $readers:ident $status:literal $matcher:ident $text:literal
        $source:literal
    } )+ }) => {
        /// A misreport, by the name of its row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Misreport {
            $(
                #[doc = concat!("Status ", $status, ", \"", $text, "\".")]
                $name,
            )+
            /// One of the caller's own, see [`Misreports`](crate::Misreports).
            MisreportOfCaller,
        }

        impl Misreport {
            /// Those that are listed here.
            pub const LISTED: &'static [Self] = &[ $( Self::$name, )+ ];

            /// The words it comes in; `None` for the caller's own.
            pub const fn wording(self) -> Option<Wording> {
                match self {
                    $( Self::$name => Some(Wording {
                        readers: Readers::$readers,
                        status: $status,
                        matcher: Matcher::$matcher,
                        text: $text,
                        source: $source,
                    }), )+
                    Self::MisreportOfCaller => None,
                }
            }
        }
    };
}

/// How a terminated session is reported by servers that report it wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wording {
    /// Who acts upon it.
    pub readers: Readers,
    /// The status it comes with.
    pub status: u16,
    /// What is compared with the text.
    pub matcher: Matcher,
    /// The text.
    pub text: &'static str,
    /// Where it was seen.
    pub source: &'static str,
}

/// Who acts upon a misreport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Servers and proxies, and clients that recognize quirks.
    EverySide,
    /// Servers and proxies only.
    ServerOnly,
}

/// What of a response is compared with a misreport's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// The normal form of the whole trimmed body; or of a JSON object the `error.message`, a
    /// string `error` or a string `message`, each of them whole.
    Text,
    /// The whole trimmed body as it stands.
    Body,
    /// The whole trimmed body as it stands: the text, and the attached ID behind it.
    BodyAndSessionId,
}

with_misreports! { misreports! {} }
