//! A server as users of rmcp write one, for a client to lose. The newest rmcp and 0.8 compile it
//! alike. The first argument is the port; the end of standard input ends the server.

#![allow(deprecated, reason = "0.8 has no other name for what 3.9 calls ServerConfig")]

use std::{env, error::Error, io::Read, net::Ipv4Addr, process, sync::Arc, thread, time::Duration};

use rmcp::{
    Peer, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{ServerCapabilities, ServerInfo},
    schemars, tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).ok_or("the port is missing")?.parse()?;
    thread::spawn(exit_with_parent);
    let service = StreamableHttpService::new(
        || Ok(Server::new()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    Ok(axum::serve(listener, router).await?)
}

fn exit_with_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    process::exit(0);
}

#[derive(Clone)]
struct Server {
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

// What 0.8 makes of a tool without parameters needs a crate that the program does not name.
#[derive(Deserialize, schemars::JsonSchema)]
struct Nothing {}

#[tool_router]
impl Server {
    fn new() -> Self {
        Self { tool_router: Self::tool_router() }
    }

    #[tool(description = "Return the text")]
    fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Notify of what belongs to no request: once this has been answered")]
    fn push(&self, _: Parameters<Nothing>, peer: Peer<RoleServer>) -> String {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // A client that has left hears nothing.
            let _ = peer.notify_tool_list_changed().await;
        });
        "pushed".to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerInfo {
        let mut info = ServerInfo::default();
        info.capabilities = ServerCapabilities::builder().enable_tools().build();
        info
    }
}
