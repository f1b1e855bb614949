//! Reading a recipe, with a place for every complaint.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::step::{takes_reconstruct, unknown_method};
use super::{Calibration, RECIPE_FORMAT, Recipe, Step, Variant, check, check_corruptions, check_name};
use crate::compress::CompressError;
use crate::compress::gate::GateSpec;
use crate::detector::manifest::line_and_column;

/// Everything but the variants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "format")]
    _format: u32,
    model: Option<PathBuf>,
    #[serde(default)]
    calibration: Calibration,
    gate: Option<GateSpec>,
}

/// A variant without its steps.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantHead {
    name: String,
}

pub(super) fn recipe(text: &str, path: &Path) -> Result<Recipe, CompressError> {
    Reader { text, path }.recipe()
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    fn recipe(&self) -> Result<Recipe, CompressError> {
        let document = DeTable::parse(self.text).map_err(|error| self.of_toml("", &error))?;
        let whole = document.span();
        let mut root = document.into_inner();
        self.format(&root, &whole)?;
        let variants = root.remove("variant");
        let corruptions = span_in(&root, &["calibration", "corruptions"]);
        let Head { model, mut calibration, mut gate, .. } = self.read("", whole.clone(), root)?;
        if calibration.images == 0 {
            return Err(self.wrong(whole, "calibration.images", "expected 1 or more, found 0"));
        }
        check_corruptions(&calibration.corruptions).map_err(|error| {
            let span = corruptions.unwrap_or(0..0);
            self.wrong(span, "calibration.corruptions", &error.to_string())
        })?;
        let variants = variants.ok_or_else(|| {
            self.wrong(whole, "variant", "expected at least one table [[variant]], found none")
        })?;
        let variants = self.variants(variants)?;
        let beside = |file: PathBuf| self.path.parent().unwrap_or(Path::new("")).join(file);
        calibration.dataset = calibration.dataset.map(beside);
        if let Some(gate) = &mut gate {
            gate.validate = gate.validate.take().map(beside);
            gate.class_map = gate.class_map.take().map(beside);
        }
        Ok(Recipe { model: model.map(beside), calibration, gate, variants })
    }

    /// A recipe of another format has other keys, so this comes before everything else.
    fn format(&self, root: &DeTable<'_>, whole: &Range<usize>) -> Result<(), CompressError> {
        let expected = format!("expected recipe format {RECIPE_FORMAT}");
        let Some(value) = root.get("format") else {
            return Err(self.wrong(whole.clone(), "format", &format!("{expected}, found none")));
        };
        let found: u32 = Deserialize::deserialize(ValueDeserializer::from(value.clone()))
            .map_err(|error| self.of_toml("format", &error))?;
        if found == RECIPE_FORMAT {
            return Ok(());
        }
        Err(self.wrong(value.span(), "format", &format!("{expected}, found {found}")))
    }

    fn variants(&self, value: Spanned<DeValue<'a>>) -> Result<Vec<Variant>, CompressError> {
        let mut variants: Vec<Variant> = Vec::new();
        for (number, (span, mut table)) in self.tables("variant", value)?.into_iter().enumerate() {
            let key = format!("variant[{number}]");
            let steps = table.remove("steps");
            let name_span = table.get("name").map_or_else(|| span.clone(), Spanned::span);
            let VariantHead { name } = self.read(&key, span.clone(), table)?;
            let name_key = format!("{key}.name");
            check_name(&name)
                .map_err(|error| self.wrong(name_span.clone(), &name_key, &error.to_string()))?;
            if variants.iter().any(|other| other.name == name) {
                let problem = format!("another variant is called `{name}`, too: files are named by it");
                return Err(self.wrong(name_span, &name_key, &problem));
            }
            let key = format!("{key}.steps");
            let steps =
                steps.ok_or_else(|| self.wrong(span, &key, "expected a list of steps, found none"))?;
            variants.push(Variant { name, steps: self.steps(&key, steps)? });
        }
        Ok(variants)
    }

    fn steps(&self, key: &str, value: Spanned<DeValue<'a>>) -> Result<Vec<Step>, CompressError> {
        let (mut steps, mut spans) = (Vec::new(), Vec::new());
        let whole = value.span();
        for (number, (span, table)) in self.tables(key, value)?.into_iter().enumerate() {
            steps.push(self.step(&format!("{key}[{number}]"), span.clone(), table)?);
            spans.push(span);
        }
        if steps.is_empty() {
            return Err(self.wrong(whole, key, "expected at least one step, found none"));
        }
        if let Some((number, problem)) = check::misplaced(&steps) {
            let span = spans.get(number).cloned().unwrap_or(whole);
            return Err(self.wrong(span, &format!("{key}[{number}]"), &problem));
        }
        Ok(steps)
    }

    fn step(&self, key: &str, span: Range<usize>, mut table: DeTable<'a>) -> Result<Step, CompressError> {
        let method_key = format!("{key}.method");
        let method = table
            .remove("method")
            .ok_or_else(|| self.wrong(span.clone(), &method_key, "is missing: it says what the step does"))?;
        let method_span = method.span();
        let method: String = Deserialize::deserialize(ValueDeserializer::from(method))
            .map_err(|error| self.of_toml(&method_key, &error))?;
        let reconstruct = if takes_reconstruct(&method) { table.remove("reconstruct") } else { None };
        let reconstruct = reconstruct
            .map(|value| Deserialize::deserialize(ValueDeserializer::from(value)))
            .transpose()
            .map_err(|error| self.of_toml(&format!("{key}.reconstruct"), &error))?;
        let known = entries(&table);
        let options = ValueDeserializer::from(Spanned::new(span.clone(), DeValue::Table(table)));
        Step::from_parts(&method, reconstruct, options).map_err(|error| {
            if error.message().starts_with("unknown method") {
                return self.wrong(method_span, &method_key, &unknown_method(&method));
            }
            self.of_toml(&inner_key(key, &known, &error.span().unwrap_or(span)), &error)
        })
    }

    /// The tables of an array.
    fn tables(
        &self,
        key: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Result<Vec<(Range<usize>, DeTable<'a>)>, CompressError> {
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            return Err(self.wrong(span, key, "expected a list of tables"));
        };
        let table = |(number, element): (usize, Spanned<DeValue<'a>>)| {
            let span = element.span();
            match element.into_inner() {
                DeValue::Table(table) => Ok((span, table)),
                other => {
                    let problem = format!("expected a table, found a {}", other.type_str());
                    Err(self.wrong(span, &format!("{key}[{number}]"), &problem))
                }
            }
        };
        array.into_iter().enumerate().map(table).collect()
    }

    fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        span: Range<usize>,
        table: DeTable<'a>,
    ) -> Result<T, CompressError> {
        let known = entries(&table);
        let value = Spanned::new(span.clone(), DeValue::Table(table));
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.of_toml(&inner_key(key, &known, &error.span().unwrap_or(span)), &error))
    }

    fn of_toml(&self, key: &str, error: &toml::de::Error) -> CompressError {
        let problem = error.message().trim().replace('\n', "; ");
        self.wrong(error.span().unwrap_or(0..0), key, &problem)
    }

    fn wrong(&self, span: Range<usize>, key: &str, problem: &str) -> CompressError {
        CompressError::Recipe {
            path: self.path.to_owned(),
            place: Some(line_and_column(self.text, span.start)),
            key: key.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// A key of a table, with the spans of the key and of its value.
type Entry = (String, Range<usize>, Range<usize>);

/// Dotted keys of a table and of the tables in it, the inner ones first.
fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut all = Vec::new();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if let Some(inner) = value.get_ref().as_table() {
            let inner = entries(inner).into_iter();
            all.extend(inner.map(|(below, key, value)| (format!("{name}.{below}"), key, value)));
        }
        all.push((name, key.span(), value.span()));
    }
    all
}

fn inner_key(prefix: &str, known: &[Entry], span: &Range<usize>) -> String {
    let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
    match known.iter().find(|(_, key, value)| holds(key) || holds(value)) {
        Some((name, _, _)) if prefix.is_empty() => name.clone(),
        Some((name, _, _)) => format!("{prefix}.{name}"),
        None => prefix.to_owned(),
    }
}

fn span_in(root: &DeTable<'_>, keys: &[&str]) -> Option<Range<usize>> {
    let (first, rest) = keys.split_first()?;
    let value = root.get(*first)?;
    if rest.is_empty() { Some(value.span()) } else { span_in(value.get_ref().as_table()?, rest) }
}
