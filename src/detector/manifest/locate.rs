//! From a byte span or a key to a place in the manifest's text.

use std::ops::Range;

use toml::de::DeTable;

/// Line and column of a byte offset, both from 1; the column counts characters.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
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

/// The dotted key of the innermost value that holds `span`. The span of a table under a header is the header's, so every
/// table is searched.
pub(super) fn key_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let name_text = name.get_ref().as_ref();
        if let Some(inner) = value.get_ref().as_table().and_then(|inner| key_at(inner, span)) {
            return Some(format!("{name_text}.{inner}"));
        }
        let elements = value.get_ref().as_array().into_iter().flatten();
        if let Some(index) = elements.into_iter().position(|element| contains(&element.span(), span)) {
            return Some(format!("{name_text}[{index}]"));
        }
        let here = contains(&name.span(), span) || contains(&value.span(), span);
        here.then(|| name_text.to_owned())
    })
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
