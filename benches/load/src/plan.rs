//! What a session is to do, as its URL's query asks.

/// What the server plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing but what the protocol answers.
    Quiet,
    /// Deltas on a schedule.
    Paced,
    /// Deltas as fast as the client reads.
    Burst,
    /// Calls of a tool, each after the answer to the one before.
    Tool,
    /// Paced playing, cut by speech of the user at random moments.
    Barge,
}

/// What makes it begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The connection.
    Connect,
    /// The client's first `response.create`.
    Response,
    /// `GET /go?run=...`, for all sessions of the run at once.
    Go,
}

/// One session's orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Statistics are kept by this name.
    pub(crate) run: String,
    pub(crate) mode: Mode,
    pub(crate) start: Start,
    /// Deltas of one response.
    pub(crate) frames: u64,
    /// Responses, calls or interruptions; with `start=response` each response needs its request.
    pub(crate) turns: u64,
    /// Deltas sent at once before the pace begins.
    pub(crate) lead: u64,
    /// Milliseconds between pings; 0 sends none.
    pub(crate) ping_ms: u64,
    /// Look at the samples of appends: a ramp that counts up by one with each sample.
    pub(crate) check: bool,
    /// The name of the tool that is called.
    pub(crate) tool: String,
    /// Milliseconds after the beginning within which appends do not count for lateness.
    pub(crate) warm_ms: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            run: "default".to_owned(),
            mode: Mode::Paced,
            start: Start::Response,
            frames: 250,
            turns: 1,
            lead: 0,
            ping_ms: 0,
            check: false,
            tool: "lookup".to_owned(),
            warm_ms: 0,
        }
    }
}

impl Plan {
    /// Read a request's path and query; names that are not known, such as `model`, are left alone.
    pub(crate) fn parse(target: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in pairs(query) {
            plan.set(name, value)?;
        }
        Ok(plan)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name} must be a whole number, not {value:?}"))
        };
        match name {
            "run" => value.clone_into(&mut self.run),
            "tool" => value.clone_into(&mut self.tool),
            "frames" => self.frames = number()?.max(1),
            "turns" => self.turns = number()?,
            "lead" => self.lead = number()?,
            "ping_ms" => self.ping_ms = number()?,
            "warm_ms" => self.warm_ms = number()?,
            "check" => self.check = number()? != 0,
            "mode" => {
                self.mode = match value {
                    "quiet" => Mode::Quiet,
                    "paced" => Mode::Paced,
                    "burst" => Mode::Burst,
                    "tool" => Mode::Tool,
                    "barge" => Mode::Barge,
                    _ => return Err(format!("no mode {value:?}")),
                }
            }
            "start" => {
                self.start = match value {
                    "connect" => Start::Connect,
                    "response" => Start::Response,
                    "go" => Start::Go,
                    _ => return Err(format!("no start {value:?}")),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The pairs of a query; nothing that a plan holds needs escaping.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_and_the_models_name_is_left_alone() {
        let plan = Plan::parse("/v1/realtime?model=m&mode=tool&turns=3&run=a1&check=1&start=go");
        let expected = Plan {
            run: "a1".to_owned(),
            mode: Mode::Tool,
            start: Start::Go,
            turns: 3,
            check: true,
            ..Plan::default()
        };
        assert_eq!(plan, Ok(expected));
        assert_eq!(Plan::parse("/v1/realtime"), Ok(Plan::default()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(Plan::parse("/?mode=fast").is_err());
        assert!(Plan::parse("/?frames=many").is_err());
    }
}
