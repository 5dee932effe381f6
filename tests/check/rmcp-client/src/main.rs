//! A client as users of rmcp write one, for `mcp-session check-client`: it connects to the URL
//! that is its last argument, calls each tool that is listed, and closes.

use std::{env, error::Error, sync::Arc};

use rmcp::{model::CallToolRequestParams, serve_client, transport::StreamableHttpClientTransport};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = env::args().next_back().ok_or("the URL is missing")?;
    let client = serve_client((), StreamableHttpClientTransport::from_uri(url)).await?;
    let tools = client.list_all_tools().await?;
    let client = Arc::new(client);
    let together = env::var_os("MCP_SESSION_TOGETHER").is_some();
    let mut begun = Vec::new();
    for tool in tools {
        let client = Arc::clone(&client);
        let call = tokio::spawn(async move {
            if let Err(error) = client.call_tool(CallToolRequestParams::new(tool.name)).await {
                eprintln!("{error}");
            }
        });
        if together {
            begun.push(call);
        } else {
            call.await?;
        }
    }
    for call in begun {
        call.await?;
    }
    Arc::into_inner(client).ok_or("a call is still open")?.cancel().await?;
    Ok(())
}
