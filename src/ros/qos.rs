//! Matching the quality of service of a subscription to what the publishers offer.
//!
//! DDS connects a subscription to a publisher only where what is requested is not more than what is offered
//! (reliable > best effort, transient local > volatile). A mismatch is silent on the wire: no data, no error.
//! So the node looks at the publishers' offers, asks for no more than all of them give, and where the user
//! has asked for more, says so.

use r2r::QosProfile;
use r2r::qos::{DurabilityPolicy, ReliabilityPolicy};

/// Messages that DDS keeps for the subscription. The node drains it at once; the depth only bridges the
/// moments in which its thread does something else, so that a frame is not lost uncounted.
pub(crate) const DEPTH: usize = 8;

/// The user's wish for the reliability of a camera's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReliabilityRequest {
    Auto,
    Reliable,
    BestEffort,
}

/// The user's wish for the durability of a camera's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DurabilityRequest {
    Auto,
    Volatile,
    TransientLocal,
}

/// What one publisher offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) node: String,
    pub(crate) topic_type: String,
    pub(crate) reliable: bool,
    pub(crate) transient_local: bool,
}

/// What is asked of the publishers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Request {
    pub(crate) reliable: bool,
    pub(crate) transient_local: bool,
}

impl Request {
    pub(crate) fn profile(self) -> QosProfile {
        self.profile_with(DEPTH)
    }

    /// With so many messages kept for the subscription.
    pub(crate) fn profile_with(self, depth: usize) -> QosProfile {
        let profile = QosProfile::sensor_data().keep_last(depth);
        let profile = if self.reliable { profile.reliable() } else { profile.best_effort() };
        if self.transient_local { profile.transient_local() } else { profile.volatile() }
    }

    pub(crate) fn describe(self) -> &'static str {
        match (self.reliable, self.transient_local) {
            (false, false) => "best_effort, volatile",
            (true, false) => "reliable, volatile",
            (false, true) => "best_effort, transient_local",
            (true, true) => "reliable, transient_local",
        }
    }
}

impl Offer {
    /// The offer of the node `name` in `namespace`.
    pub(crate) fn new(namespace: &str, name: &str, topic_type: &str, profile: &QosProfile) -> Self {
        Self {
            node: format!("{}/{name}", namespace.trim_end_matches('/')),
            topic_type: topic_type.to_owned(),
            reliable: matches!(profile.reliability, ReliabilityPolicy::Reliable),
            transient_local: matches!(profile.durability, DurabilityPolicy::TransientLocal),
        }
    }
}

/// Chooses the request for a subscription to publishers that offer `offers`, and explains for each publisher
/// that it cannot reach why not.
///
/// `auto` asks for what every publisher of the right type offers, and for the least while there is none.
pub(crate) fn decide(
    camera: &str,
    expected_type: &str,
    reliability: ReliabilityRequest,
    durability: DurabilityRequest,
    offers: &[Offer],
) -> (Request, Vec<String>) {
    let usable: Vec<&Offer> = offers.iter().filter(|offer| offer.topic_type == expected_type).collect();
    let all = |offered: fn(&Offer) -> bool| !usable.is_empty() && usable.iter().all(|offer| offered(offer));
    let request = Request {
        reliable: match reliability {
            ReliabilityRequest::Auto => all(|offer| offer.reliable),
            ReliabilityRequest::Reliable => true,
            ReliabilityRequest::BestEffort => false,
        },
        transient_local: match durability {
            DurabilityRequest::Auto => all(|offer| offer.transient_local),
            DurabilityRequest::TransientLocal => true,
            DurabilityRequest::Volatile => false,
        },
    };
    let mut complaints = Vec::new();
    for offer in offers {
        let node = &offer.node;
        if offer.topic_type != expected_type {
            complaints.push(format!(
                "{node} publishes {}, but camera '{camera}' expects {expected_type}: check {camera}.topic and {camera}.transport",
                offer.topic_type
            ));
            continue;
        }
        if request.reliable && !offer.reliable {
            complaints.push(format!(
                "{node} offers best_effort, but {camera}.reliability asks for reliable, so nothing arrives from it: set it to auto or best_effort"
            ));
        }
        if request.transient_local && !offer.transient_local {
            complaints.push(format!(
                "{node} offers volatile, but {camera}.durability asks for transient_local, so nothing arrives from it: set it to auto or volatile"
            ));
        }
    }
    (request, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "sensor_msgs/msg/Image";

    fn offer(reliable: bool, transient_local: bool) -> Offer {
        Offer { node: "/driver".into(), topic_type: IMAGE.into(), reliable, transient_local }
    }

    fn auto(offers: &[Offer]) -> (Request, Vec<String>) {
        decide("front", IMAGE, ReliabilityRequest::Auto, DurabilityRequest::Auto, offers)
    }

    #[test]
    fn auto_asks_for_no_more_than_everybody_offers() {
        let least = Request::default();
        assert_eq!(auto(&[]), (least, vec![]));
        assert_eq!(auto(&[offer(false, false)]), (least, vec![]));
        let reliable = Request { reliable: true, transient_local: false };
        assert_eq!(auto(&[offer(true, false)]), (reliable, vec![]));
        assert_eq!(auto(&[offer(true, true), offer(true, false)]), (reliable, vec![]));
        assert_eq!(auto(&[offer(true, true), offer(false, false)]), (least, vec![]));
    }

    #[test]
    fn whatever_auto_asks_is_compatible_with_every_offer() {
        for bits in 0..64_u32 {
            let offers: Vec<_> =
                (0..3).map(|i| offer(bits >> (2 * i) & 1 == 1, bits >> (2 * i + 1) & 1 == 1)).collect();
            assert_eq!(auto(&offers).1, [""; 0], "{offers:?}");
        }
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_explained() {
        let (request, complaints) = decide(
            "front",
            IMAGE,
            ReliabilityRequest::Reliable,
            DurabilityRequest::TransientLocal,
            &[offer(false, false)],
        );
        assert_eq!(request, Request { reliable: true, transient_local: true });
        assert!(complaints[0].contains("front.reliability") && complaints[0].contains("/driver"));
        assert!(complaints[1].contains("front.durability"));
    }

    #[test]
    fn another_type_is_named_and_does_not_influence_the_request() {
        let mut other = offer(false, false);
        other.topic_type = "std_msgs/msg/String".into();
        let (request, complaints) = auto(&[offer(true, false), other]);
        assert!(request.reliable);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("std_msgs/msg/String") && complaints[0].contains(IMAGE));
    }
}
