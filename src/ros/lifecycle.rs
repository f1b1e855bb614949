//! The lifecycle of a managed node, as `rclcpp_lifecycle` keeps it (design: design.ros2.org, "Managed nodes"):
//! the states, which transitions lead where, the services and the transition events.

use futures::FutureExt;
use futures::stream::{LocalBoxStream, StreamExt};
use r2r::lifecycle_msgs::msg::{
    State as StateMsg, Transition as TransitionMsg, TransitionDescription, TransitionEvent,
};
use r2r::lifecycle_msgs::srv::{ChangeState, GetAvailableStates, GetAvailableTransitions, GetState};
use r2r::{Node, Publisher, QosProfile, ServiceRequest};

/// States, with the numbers of `lifecycle_msgs/msg/State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum State {
    Unconfigured = 1,
    Inactive = 2,
    Active = 3,
    Finalized = 4,
    Configuring = 10,
    CleaningUp = 11,
    ShuttingDown = 12,
    Activating = 13,
    Deactivating = 14,
}

impl State {
    const ALL: [Self; 9] = [
        Self::Unconfigured,
        Self::Inactive,
        Self::Active,
        Self::Finalized,
        Self::Configuring,
        Self::CleaningUp,
        Self::ShuttingDown,
        Self::Activating,
        Self::Deactivating,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unconfigured => "unconfigured",
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Finalized => "finalized",
            Self::Configuring => "configuring",
            Self::CleaningUp => "cleaningup",
            Self::ShuttingDown => "shuttingdown",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
        }
    }

    fn message(self) -> StateMsg {
        StateMsg { id: self as u8, label: self.label().to_owned() }
    }
}

/// Transitions that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    Configure,
    Cleanup,
    Activate,
    Deactivate,
    Shutdown,
}

/// One edge of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) transition: Transition,
    /// Number in `lifecycle_msgs/msg/Transition`; shutdown has one per state it starts from.
    id: u8,
    pub(crate) start: State,
    pub(crate) during: State,
    pub(crate) goal: State,
}

const fn edge(transition: Transition, id: u8, start: State, during: State, goal: State) -> Edge {
    Edge { transition, id, start, during, goal }
}

const EDGES: [Edge; 7] = [
    edge(Transition::Configure, 1, State::Unconfigured, State::Configuring, State::Inactive),
    edge(Transition::Cleanup, 2, State::Inactive, State::CleaningUp, State::Unconfigured),
    edge(Transition::Activate, 3, State::Inactive, State::Activating, State::Active),
    edge(Transition::Deactivate, 4, State::Active, State::Deactivating, State::Inactive),
    edge(Transition::Shutdown, 5, State::Unconfigured, State::ShuttingDown, State::Finalized),
    edge(Transition::Shutdown, 6, State::Inactive, State::ShuttingDown, State::Finalized),
    edge(Transition::Shutdown, 7, State::Active, State::ShuttingDown, State::Finalized),
];

impl Transition {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Cleanup => "cleanup",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Edge {
    fn message(self) -> TransitionMsg {
        TransitionMsg { id: self.id, label: self.transition.label().to_owned() }
    }

    fn description(self) -> TransitionDescription {
        TransitionDescription {
            transition: self.message(),
            start_state: self.start.message(),
            goal_state: self.goal.message(),
        }
    }
}

/// The edge that `transition` takes from `state`, if there is one.
pub(crate) fn edge_from(state: State, transition: Transition) -> Option<Edge> {
    EDGES.into_iter().find(|edge| edge.start == state && edge.transition == transition)
}

/// The edge that a request means: by label where there is one, otherwise by number. As in `rcl_lifecycle`,
/// any of the three shutdown numbers shuts down from any state.
fn requested(state: State, id: u8, label: &str) -> Option<Edge> {
    let transition = EDGES
        .into_iter()
        .find(|edge| if label.is_empty() { edge.id == id } else { edge.transition.label() == label })?
        .transition;
    edge_from(state, transition)
}

/// What has been asked of the node, to be answered when the transition is through.
pub(crate) struct ChangeRequest {
    pub(crate) edge: Edge,
    request: ServiceRequest<ChangeState::Service>,
}

impl ChangeRequest {
    /// Answers the request.
    pub(crate) fn answer(self, success: bool) {
        respond(self.request, success);
    }
}

fn respond(request: ServiceRequest<ChangeState::Service>, success: bool) {
    if let Err(error) = request.respond(ChangeState::Response { success }) {
        tracing::warn!("could not answer a change_state request: {error}");
    }
}

/// The lifecycle services and the state itself.
pub(crate) struct Lifecycle {
    state: State,
    change_state: LocalBoxStream<'static, ServiceRequest<ChangeState::Service>>,
    get_state: LocalBoxStream<'static, ServiceRequest<GetState::Service>>,
    states: LocalBoxStream<'static, ServiceRequest<GetAvailableStates::Service>>,
    transitions: LocalBoxStream<'static, ServiceRequest<GetAvailableTransitions::Service>>,
    graph: LocalBoxStream<'static, ServiceRequest<GetAvailableTransitions::Service>>,
    events: Publisher<TransitionEvent>,
}

impl Lifecycle {
    pub(crate) fn new(node: &mut Node) -> r2r::Result<Self> {
        let qos = QosProfile::services_default;
        Ok(Self {
            state: State::Unconfigured,
            change_state: node.create_service("~/change_state", qos())?.boxed_local(),
            get_state: node.create_service("~/get_state", qos())?.boxed_local(),
            states: node.create_service("~/get_available_states", qos())?.boxed_local(),
            transitions: node.create_service("~/get_available_transitions", qos())?.boxed_local(),
            graph: node.create_service("~/get_transition_graph", qos())?.boxed_local(),
            events: node.create_publisher("~/transition_event", QosProfile::default().keep_last(10))?,
        })
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Goes into the intermediate state of `edge`.
    pub(crate) fn begin(&mut self, edge: Edge, stamp_ns: i64) {
        self.go(edge, edge.during, stamp_ns);
    }

    /// Ends the transition of `edge`: at its goal, or where it started from.
    pub(crate) fn end(&mut self, edge: Edge, success: bool, stamp_ns: i64) {
        self.go(edge, if success { edge.goal } else { edge.start }, stamp_ns);
    }

    /// Answers the requests that only ask; hands out one that wants a transition possible from here. Requests
    /// that arrive during a transition are refused, as `rclcpp_lifecycle` does.
    pub(crate) fn poll(&mut self) -> Option<ChangeRequest> {
        while let Some(Some(request)) = self.get_state.next().now_or_never() {
            let current_state = self.state.message();
            log_failure(request.respond(GetState::Response { current_state }));
        }
        while let Some(Some(request)) = self.states.next().now_or_never() {
            let available_states = State::ALL.into_iter().map(State::message).collect();
            log_failure(request.respond(GetAvailableStates::Response { available_states }));
        }
        while let Some(Some(request)) = self.transitions.next().now_or_never() {
            let possible = EDGES.into_iter().filter(|edge| edge.start == self.state);
            let available_transitions = possible.map(Edge::description).collect();
            log_failure(request.respond(GetAvailableTransitions::Response { available_transitions }));
        }
        while let Some(Some(request)) = self.graph.next().now_or_never() {
            let available_transitions = EDGES.into_iter().map(Edge::description).collect();
            log_failure(request.respond(GetAvailableTransitions::Response { available_transitions }));
        }
        while let Some(Some(request)) = self.change_state.next().now_or_never() {
            let wanted = &request.message.transition;
            if let Some(edge) = requested(self.state, wanted.id, &wanted.label) {
                return Some(ChangeRequest { edge, request });
            }
            tracing::warn!(
                "transition {} '{}' is not possible in state '{}'",
                wanted.id,
                wanted.label,
                self.state.label()
            );
            respond(request, false);
        }
        None
    }

    fn go(&mut self, edge: Edge, to: State, stamp_ns: i64) {
        let event = TransitionEvent {
            timestamp: u64::try_from(stamp_ns).unwrap_or_default(),
            transition: edge.message(),
            start_state: self.state.message(),
            goal_state: to.message(),
        };
        self.state = to;
        log_failure(self.events.publish(&event));
    }
}

fn log_failure(result: r2r::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("a lifecycle message could not be sent: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_walk_is_possible_and_shortcuts_are_not() {
        let goal = |state, transition| edge_from(state, transition).map(|edge| edge.goal);
        assert_eq!(goal(State::Unconfigured, Transition::Configure), Some(State::Inactive));
        assert_eq!(goal(State::Inactive, Transition::Activate), Some(State::Active));
        assert_eq!(goal(State::Active, Transition::Deactivate), Some(State::Inactive));
        assert_eq!(goal(State::Inactive, Transition::Cleanup), Some(State::Unconfigured));
        assert_eq!(goal(State::Unconfigured, Transition::Activate), None);
        assert_eq!(goal(State::Active, Transition::Cleanup), None);
        assert_eq!(goal(State::Finalized, Transition::Configure), None);
        for state in [State::Unconfigured, State::Inactive, State::Active] {
            assert_eq!(goal(state, Transition::Shutdown), Some(State::Finalized));
        }
    }

    #[test]
    fn requests_go_by_label_or_number() {
        let goal = |state, id, label: &str| requested(state, id, label).map(|edge| edge.goal);
        assert_eq!(goal(State::Unconfigured, 1, ""), Some(State::Inactive));
        assert_eq!(goal(State::Unconfigured, 0, "configure"), Some(State::Inactive));
        assert_eq!(goal(State::Active, 5, ""), Some(State::Finalized));
        assert_eq!(goal(State::Active, 99, ""), None);
        assert_eq!(goal(State::Active, 1, "levitate"), None);
        assert_eq!(goal(State::Configuring, 1, ""), None, "nothing is possible during a transition");
    }
}
