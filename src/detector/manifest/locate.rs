//! From a byte span or a key to a place in the manifest's text.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Line and column of a byte offset, both from 1; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

/// The span of the value of a dotted key such as `input.width` or `classes.names[3]`, or of the nearest parent that
/// exists.
pub(super) fn span_of(root: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let mut span = None;
    let mut table = Some(root);
    for part in key.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((_, value)) = table.and_then(|t| t.iter().find(|(k, _)| k.get_ref().as_ref() == name))
        else {
            break;
        };
        let element = index.and_then(|i| value.get_ref().get(i));
        let value = element.unwrap_or(value);
        span = Some(value.span());
        table = value.get_ref().as_table();
    }
    span
}

/// The dotted key of the innermost value whose span holds `span`.
pub(super) fn key_at(root: &DeTable<'_>, span: &Range<usize>) -> String {
    let mut key = String::new();
    let mut table = Some(root);
    while let Some((name, value)) =
        table.and_then(|t| t.iter().find(|(k, v)| contains(&k.span(), span) || contains(&v.span(), span)))
    {
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(name.get_ref());
        if let DeValue::Array(array) = value.get_ref()
            && let Some(index) = array.iter().position(|element| contains(&element.span(), span))
        {
            key.push_str(&format!("[{index}]"));
        }
        table = value.get_ref().as_table();
    }
    key
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
