//! The parameter services of `rcl_interfaces` and `/parameter_events`.

use futures::FutureExt;
use futures::stream::{LocalBoxStream, StreamExt};
use r2r::rcl_interfaces::msg::{
    FloatingPointRange, IntegerRange, ListParametersResult, ParameterDescriptor, ParameterEvent,
    ParameterValue as ValueMessage, SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters,
    SetParametersAtomically,
};
use r2r::{Node, ParameterValue, Publisher, QosProfile, ServiceRequest};

use super::spec::{Kind, Mutability};
use super::store::{Declared, ParameterStore};

/// A request to change parameters, to be decided by the node.
pub(crate) enum ParameterRequest {
    Each(ServiceRequest<SetParameters::Service>),
    Atomic(ServiceRequest<SetParametersAtomically::Service>),
}

type Changes = Vec<(String, ParameterValue)>;

/// The service servers. [`ParameterServices::poll`] answers what only reads, and hands out what writes.
pub(crate) struct ParameterServices {
    get: LocalBoxStream<'static, ServiceRequest<GetParameters::Service>>,
    get_types: LocalBoxStream<'static, ServiceRequest<GetParameterTypes::Service>>,
    describe: LocalBoxStream<'static, ServiceRequest<DescribeParameters::Service>>,
    list: LocalBoxStream<'static, ServiceRequest<ListParameters::Service>>,
    set: LocalBoxStream<'static, ServiceRequest<SetParameters::Service>>,
    set_atomically: LocalBoxStream<'static, ServiceRequest<SetParametersAtomically::Service>>,
    events: Publisher<ParameterEvent>,
    node_name: String,
}

impl ParameterServices {
    pub(crate) fn new(node: &mut Node) -> r2r::Result<Self> {
        let qos = || QosProfile::parameters();
        Ok(Self {
            get: node.create_service("~/get_parameters", qos())?.boxed_local(),
            get_types: node.create_service("~/get_parameter_types", qos())?.boxed_local(),
            describe: node.create_service("~/describe_parameters", qos())?.boxed_local(),
            list: node.create_service("~/list_parameters", qos())?.boxed_local(),
            set: node.create_service("~/set_parameters", qos())?.boxed_local(),
            set_atomically: node.create_service("~/set_parameters_atomically", qos())?.boxed_local(),
            events: node.create_publisher("/parameter_events", QosProfile::parameter_events())?,
            node_name: node.fully_qualified_name()?,
        })
    }

    /// Answers the reading requests that have arrived; gives back one writing request, if there is any.
    pub(crate) fn poll(&mut self, store: &ParameterStore) -> Option<ParameterRequest> {
        while let Some(Some(request)) = self.get.next().now_or_never() {
            let values = request.message.names.iter();
            let values = values
                .map(|name| store.get(name).map_or(ParameterValue::NotSet, |d| d.value.clone()))
                .map(value_message)
                .collect();
            log_failure(request.respond(GetParameters::Response { values }));
        }
        while let Some(Some(request)) = self.get_types.next().now_or_never() {
            let names = request.message.names.iter();
            let types = names.map(|name| store.get(name).map_or(0, |d| type_code(&d.spec.kind))).collect();
            log_failure(request.respond(GetParameterTypes::Response { types }));
        }
        while let Some(Some(request)) = self.describe.next().now_or_never() {
            let names = request.message.names.iter();
            let descriptors = names
                .map(|name| match store.get(name) {
                    Some(declared) => descriptor(declared),
                    None => ParameterDescriptor { name: name.clone(), ..Default::default() },
                })
                .collect();
            log_failure(request.respond(DescribeParameters::Response { descriptors }));
        }
        while let Some(Some(request)) = self.list.next().now_or_never() {
            let result = list(store, &request.message);
            log_failure(request.respond(ListParameters::Response { result }));
        }
        if let Some(Some(request)) = self.set.next().now_or_never() {
            return Some(ParameterRequest::Each(request));
        }
        self.set_atomically.next().now_or_never().flatten().map(ParameterRequest::Atomic)
    }

    /// Tells the world which parameters changed.
    pub(crate) fn publish_event(
        &self,
        store: &ParameterStore,
        names: &[String],
        stamp: r2r::builtin_interfaces::msg::Time,
    ) {
        if names.is_empty() {
            return;
        }
        let changed = |name: &String| {
            let value = value_message(store.get(name)?.value.clone());
            Some(r2r::rcl_interfaces::msg::Parameter { name: name.clone(), value })
        };
        let event = ParameterEvent {
            stamp,
            node: self.node_name.clone(),
            changed_parameters: names.iter().filter_map(changed).collect(),
            ..Default::default()
        };
        log_failure(self.events.publish(&event));
    }
}

impl ParameterRequest {
    /// Lets `decide` say yes or no to the changes, all at once or one after the other, and answers.
    pub(crate) fn answer(self, mut decide: impl FnMut(Changes) -> Result<(), String>) {
        let mut result = |changes| match decide(changes) {
            Ok(()) => SetParametersResult { successful: true, reason: String::new() },
            Err(reason) => SetParametersResult { successful: false, reason },
        };
        match self {
            Self::Each(request) => {
                let results =
                    changes(&request.message.parameters).into_iter().map(|c| result(vec![c])).collect();
                log_failure(request.respond(SetParameters::Response { results }));
            }
            Self::Atomic(request) => {
                let result = result(changes(&request.message.parameters));
                log_failure(request.respond(SetParametersAtomically::Response { result }));
            }
        }
    }
}

fn changes(parameters: &[r2r::rcl_interfaces::msg::Parameter]) -> Changes {
    parameters.iter().map(|p| (p.name.clone(), value(&p.value))).collect()
}

fn log_failure(result: r2r::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("a parameter service could not answer: {error}");
    }
}

/// Type codes of `rcl_interfaces/msg/ParameterType`.
mod code {
    pub(super) const NOT_SET: u8 = 0;
    pub(super) const BOOL: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const DOUBLE: u8 = 3;
    pub(super) const STRING: u8 = 4;
    pub(super) const BYTE_ARRAY: u8 = 5;
    pub(super) const BOOL_ARRAY: u8 = 6;
    pub(super) const INTEGER_ARRAY: u8 = 7;
    pub(super) const DOUBLE_ARRAY: u8 = 8;
    pub(super) const STRING_ARRAY: u8 = 9;
}

fn type_code(kind: &Kind) -> u8 {
    match kind {
        Kind::Bool => code::BOOL,
        Kind::Integer { .. } => code::INTEGER,
        Kind::Double { .. } => code::DOUBLE,
        Kind::Text { .. } => code::STRING,
        Kind::TextList => code::STRING_ARRAY,
    }
}

/// r2r converts values both ways, but keeps that to itself.
fn value_message(value: ParameterValue) -> ValueMessage {
    use ParameterValue as V;
    let blank = ValueMessage::default();
    match value {
        V::NotSet => ValueMessage { type_: code::NOT_SET, ..blank },
        V::Bool(bool_value) => ValueMessage { type_: code::BOOL, bool_value, ..blank },
        V::Integer(integer_value) => ValueMessage { type_: code::INTEGER, integer_value, ..blank },
        V::Double(double_value) => ValueMessage { type_: code::DOUBLE, double_value, ..blank },
        V::String(string_value) => ValueMessage { type_: code::STRING, string_value, ..blank },
        V::ByteArray(byte_array_value) => ValueMessage { type_: code::BYTE_ARRAY, byte_array_value, ..blank },
        V::BoolArray(bool_array_value) => ValueMessage { type_: code::BOOL_ARRAY, bool_array_value, ..blank },
        V::IntegerArray(integer_array_value) => {
            ValueMessage { type_: code::INTEGER_ARRAY, integer_array_value, ..blank }
        }
        V::DoubleArray(double_array_value) => {
            ValueMessage { type_: code::DOUBLE_ARRAY, double_array_value, ..blank }
        }
        V::StringArray(string_array_value) => {
            ValueMessage { type_: code::STRING_ARRAY, string_array_value, ..blank }
        }
    }
}

/// A type code that does not exist means no value.
fn value(message: &ValueMessage) -> ParameterValue {
    use ParameterValue as V;
    match message.type_ {
        code::BOOL => V::Bool(message.bool_value),
        code::INTEGER => V::Integer(message.integer_value),
        code::DOUBLE => V::Double(message.double_value),
        code::STRING => V::String(message.string_value.clone()),
        code::BYTE_ARRAY => V::ByteArray(message.byte_array_value.clone()),
        code::BOOL_ARRAY => V::BoolArray(message.bool_array_value.clone()),
        code::INTEGER_ARRAY => V::IntegerArray(message.integer_array_value.clone()),
        code::DOUBLE_ARRAY => V::DoubleArray(message.double_array_value.clone()),
        code::STRING_ARRAY => V::StringArray(message.string_array_value.clone()),
        _ => V::NotSet,
    }
}

fn descriptor(declared: &Declared) -> ParameterDescriptor {
    let spec = &declared.spec;
    let mut descriptor = ParameterDescriptor {
        name: spec.name.clone(),
        type_: type_code(&spec.kind),
        description: spec.description.clone(),
        read_only: spec.mutability == Mutability::Startup,
        ..Default::default()
    };
    match &spec.kind {
        Kind::Integer { min, max } => {
            descriptor.integer_range = vec![IntegerRange { from_value: *min, to_value: *max, step: 0 }];
        }
        Kind::Double { min, max } => {
            descriptor.floating_point_range =
                vec![FloatingPointRange { from_value: *min, to_value: *max, step: 0.0 }];
        }
        Kind::Text { choices } if !choices.is_empty() => {
            descriptor.additional_constraints = format!("one of: {}", choices.join(", "));
        }
        _ => {}
    }
    if spec.mutability == Mutability::Unconfigured {
        let note = "settable only while the node is unconfigured";
        let constraints = &mut descriptor.additional_constraints;
        *constraints = if constraints.is_empty() { note.into() } else { format!("{constraints}; {note}") };
    }
    descriptor
}

/// `list_parameters`: names below the prefixes, `depth` levels deep; no prefix is all, depth 0 is any depth
/// (`rcl_interfaces/srv/ListParameters`).
fn list(store: &ParameterStore, request: &ListParameters::Request) -> ListParametersResult {
    let depth = |name: &str| name.split('.').count() as u64;
    let wanted = |name: &str| {
        if request.prefixes.is_empty() {
            return request.depth == 0 || depth(name) <= request.depth;
        }
        request.prefixes.iter().any(|prefix| {
            let below =
                name == prefix || name.strip_prefix(prefix.as_str()).is_some_and(|r| r.starts_with('.'));
            below && (request.depth == 0 || depth(name) <= depth(prefix) + request.depth)
        })
    };
    let names: Vec<String> = store.iter().map(|(name, _)| name.to_owned()).filter(|n| wanted(n)).collect();
    let mut prefixes: Vec<String> =
        names.iter().filter_map(|name| name.rsplit_once('.').map(|(prefix, _)| prefix.to_owned())).collect();
    prefixes.dedup();
    ListParametersResult { names, prefixes }
}
