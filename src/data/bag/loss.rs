//! What could not be read of a damaged bag.

use std::fmt;

/// Reasons kept; a bag that is damaged in a thousand places says so in a few words.
const MAX_REASONS: usize = 20;

/// What a bag should hold and could not be read. Nothing lost is [`Loss::is_empty`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Bytes of the files that could not be read.
    pub bytes_unread: u64,
    /// Messages that the bag's own statistics count and that were not delivered; none where the bag doesn't say.
    pub messages_missing: Option<u64>,
    /// What was found where, one entry a place; the first twenty.
    pub reasons: Vec<String>,
    /// Places beyond those in `reasons`.
    pub more_reasons: u64,
}

impl Loss {
    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes_unread == 0 && self.messages_missing.unwrap_or(0) == 0 && self.reasons.is_empty()
    }

    pub(super) fn add(&mut self, bytes: u64, reason: impl Into<String>) {
        self.bytes_unread = self.bytes_unread.saturating_add(bytes);
        let reason = reason.into();
        tracing::warn!("{reason}");
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        } else {
            self.more_reasons += 1;
        }
    }

    /// Compares with what statistics promise.
    pub(super) fn compare(&mut self, expected: Option<u64>, delivered: u64) {
        if let Some(missing) = expected.map(|expected| expected.saturating_sub(delivered))
            && (missing > 0 || !self.is_empty())
        {
            self.messages_missing = Some(self.messages_missing.unwrap_or(0).saturating_add(missing));
        }
    }

    pub(super) fn merge(&mut self, other: Loss) {
        self.bytes_unread = self.bytes_unread.saturating_add(other.bytes_unread);
        self.more_reasons += other.more_reasons;
        for reason in other.reasons {
            if self.reasons.len() < MAX_REASONS {
                self.reasons.push(reason);
            } else {
                self.more_reasons += 1;
            }
        }
        if let Some(missing) = other.messages_missing {
            self.messages_missing = Some(self.messages_missing.unwrap_or(0).saturating_add(missing));
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes unread, ", self.bytes_unread)?;
        match self.messages_missing {
            Some(missing) => write!(f, "{missing} messages missing")?,
            None => write!(f, "messages missing: unknown")?,
        }
        for reason in &self.reasons {
            write!(f, "; {reason}")?;
        }
        if self.more_reasons > 0 {
            write!(f, "; and {} more", self.more_reasons)?;
        }
        Ok(())
    }
}
