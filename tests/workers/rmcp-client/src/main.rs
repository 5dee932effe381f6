//! A client as users of rmcp write one. It does in one session what the tests count, a connection
//! for each request so that each may reach another process, deletes the session, and prints what
//! it was answered. The last argument is the URL.

#![allow(deprecated, reason = "the revisions that have sessions have sampling")]

use std::{env, error::Error};

use rmcp::model::{
    CallToolRequestParams, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, SamplingMessage,
};
use rmcp::service::{RequestContext, RoleClient, serve_client};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData};
use serde_json::{Map, Value, json};

/// Answers whatever the server asks.
struct Person;

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities.elicitation = Some(Default::default());
        info.capabilities.sampling = Some(Default::default());
        info
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = json!(params.messages);
        let text = asked.pointer("/0/content/text").or(asked.pointer("/0/content/0/text"));
        let heard = format!("heard {}", text.and_then(Value::as_str).unwrap_or_default());
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text(heard), "m".to_owned()))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let asked = json!(params);
        let message = asked["message"].as_str().unwrap_or_default();
        let content = json!({ "text": format!("said {message}") });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = env::args().next_back().ok_or("the URL is missing")?;
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client = serve_client(Person, transport).await?;

    let mut answers = Map::new();
    for (tool, count) in [("run", 30), ("remember", 5), ("elicit", 12), ("ask", 12)] {
        let mut texts = Vec::new();
        for number in 0..count {
            let mut arguments = Map::new();
            arguments.insert("text".to_owned(), json!(format!("{tool}-{number}")));
            let call = CallToolRequestParams::new(tool).with_arguments(arguments);
            let answer = json!(client.call_tool(call).await?);
            texts.push(answer.pointer("/content/0/text").cloned().unwrap_or(Value::Null));
        }
        answers.insert(tool.to_owned(), Value::Array(texts));
    }
    client.cancel().await?;
    println!("{}", Value::Object(answers));
    Ok(())
}
