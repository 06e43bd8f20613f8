//! Which answer is running, and of which nothing more may be heard.

use std::collections::VecDeque;

/// Stopped and side answers that are remembered, for pieces that come late.
const KEPT: usize = 64;

/// The answers of one conversation, as far as sound goes.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    active: Option<String>,
    outside: VecDeque<String>,
    over: VecDeque<String>,
    muted: VecDeque<String>,
}

impl Answers {
    /// A response began.
    pub fn created(&mut self, id: &str, in_conversation: bool) {
        if in_conversation {
            self.active = Some(id.to_owned());
        } else {
            remember(&mut self.outside, id);
        }
    }

    /// A response ended.
    pub fn done(&mut self, id: &str) {
        if self.active.as_deref() == Some(id) {
            self.active = None;
        }
        if !self.is_over(id) {
            remember(&mut self.over, id);
        }
    }

    /// Whether a response has ended.
    pub fn is_over(&self, id: &str) -> bool {
        self.over.iter().any(|known| known == id)
    }

    /// The running response of the conversation.
    pub fn active(&self) -> Option<&str> {
        self.active.as_deref()
    }

    /// Whether a response is part of the conversation; one that is not known counts as such.
    pub fn in_conversation(&self, id: &str) -> bool {
        !self.outside.iter().any(|known| known == id)
    }

    /// Whether a response was stopped.
    pub fn is_muted(&self, id: &str) -> bool {
        self.muted.iter().any(|known| known == id)
    }

    /// Nothing more of a response is to be heard; whether that is new.
    pub fn mute(&mut self, id: &str) -> bool {
        let new = !self.is_muted(id);
        if new {
            remember(&mut self.muted, id);
        }
        new
    }
}

fn remember(list: &mut VecDeque<String>, id: &str) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(id.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_answer_is_known_and_old_ones_are_forgotten() {
        let mut answers = Answers::default();
        answers.created("side", false);
        assert_eq!(answers.active(), None);
        answers.created("a", true);
        answers.done("side");
        assert_eq!(answers.active(), Some("a"));
        assert!(answers.in_conversation("a") && !answers.in_conversation("side"));
        assert!(answers.mute("a") && !answers.mute("a"));
        answers.done("a");
        assert_eq!(answers.active(), None);
        assert!(answers.is_over("a") && !answers.is_over("b"));
        for n in 0..KEPT {
            answers.mute(&n.to_string());
        }
        assert!(!answers.is_muted("a") && answers.is_muted("0"));
    }
}
