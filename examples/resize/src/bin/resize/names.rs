//! Names of outputs: the source's name with the extension of its new format, or a template.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use longshore_resize::format::{self, Output};

/// A name with places for parts of the source's name and for the size of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Directory,
    Stem,
    Extension,
    Width,
    Height,
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(['{', '}']) {
            let wrong =
                || format!("'{rest}' has a brace that is no field: {{dir}}, {{stem}}, {{ext}}, {{w}}, {{h}}");
            parts.push(Part::Text(rest[..start].into()));
            let end = rest[start..].find('}').map(|end| start + end).ok_or_else(wrong)?;
            parts.push(match &rest[start..=end] {
                "{dir}" => Part::Directory,
                "{stem}" => Part::Stem,
                "{ext}" => Part::Extension,
                "{w}" => Part::Width,
                "{h}" => Part::Height,
                _ => return Err(wrong()),
            });
            rest = &rest[end + 1..];
        }
        parts.push(Part::Text(rest.into()));
        let template = Template(parts);
        if !template.0.contains(&Part::Stem) {
            return Err(format!("'{text}' has no {{stem}}: all results would have one name"));
        }
        let announces = |name: PathBuf| format::announced(&name).is_some();
        if template.format().is_none() && template.ending().is_some_and(announces) {
            return Err(format!("'{text}' names a format that is not written"));
        }
        let is_outside = |component| !matches!(component, Component::Normal(_) | Component::CurDir);
        if Path::new(text).components().any(is_outside) {
            return Err(format!("'{text}' leaves the output directory"));
        }
        Ok(template)
    }
}

impl Template {
    /// The format that an extension in the template names: `{stem}.webp` is WebP, `{stem}.{ext}` any format.
    pub fn format(&self) -> Option<Output> {
        let formats = [Output::Jpeg, Output::Png, Output::Webp, Output::Avif];
        let name = self.ending()?;
        formats.into_iter().find(|format| format.fits(&name))
    }

    /// A name with what the template ends with, unless that is a field.
    fn ending(&self) -> Option<PathBuf> {
        match self.0.last() {
            Some(Part::Text(end)) if !end.is_empty() => Some(format!("name{end}").into()),
            _ => None,
        }
    }

    /// The output's place below the output directory.
    pub fn fill(&self, relative: &Path, format: Output, (width, height): (u32, u32)) -> PathBuf {
        let (stem, extension) = split(relative, format);
        let mut name = OsString::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push(text),
                Part::Directory => match relative.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    Some(parent) => name.push(parent),
                    // What stands for the top keeps a following slash below it.
                    None => name.push("."),
                },
                Part::Stem => name.push(&stem),
                Part::Extension => name.push(&extension),
                Part::Width => name.push(width.to_string()),
                Part::Height => name.push(height.to_string()),
            }
        }
        Path::new(&name).components().filter(|component| *component != Component::CurDir).collect()
    }
}

/// The output's place below the output directory, without a template.
pub fn plain(relative: &Path, format: Output) -> PathBuf {
    let (mut name, extension) = split(relative, format);
    name.push(".");
    name.push(extension);
    relative.with_file_name(name)
}

/// The name without its extension, and the output's extension. Only what is known as the extension of an
/// image is one: in `scan.v1` and `IMG 10.30.15` nothing is.
fn split(relative: &Path, format: Output) -> (OsString, OsString) {
    let name = relative.file_name().unwrap_or(relative.as_os_str());
    let (stem, own) = match (format::announced(relative), relative.file_stem(), relative.extension()) {
        (Some(_), Some(stem), Some(own)) => (stem, Some(own)),
        _ => (name, None),
    };
    let extension = own.filter(|_| format.fits(relative)).unwrap_or(OsStr::new(format.extension()));
    (stem.into(), extension.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_extensions_of_images_are_replaced() {
        let cases = [
            ("a.jpg", Output::Jpeg, "a.jpg"),
            ("a.JPEG", Output::Jpeg, "a.JPEG"),
            ("d/a.png", Output::Webp, "d/a.webp"),
            ("a.gif", Output::Png, "a.png"),
            ("scan.v1", Output::Jpeg, "scan.v1.jpg"),
            ("scan.v2", Output::Jpeg, "scan.v2.jpg"),
            ("IMG_2024.01.02 10.30.15", Output::Jpeg, "IMG_2024.01.02 10.30.15.jpg"),
            ("a.heic", Output::Jpeg, "a.jpg"),
            (".hidden", Output::Png, ".hidden.png"),
            ("a", Output::Avif, "a.avif"),
        ];
        for (name, format, wanted) in cases {
            assert_eq!(plain(Path::new(name), format), Path::new(wanted), "{name}");
        }
    }

    #[test]
    fn templates_are_filled() {
        let fill = |template: &str, name: &str| {
            let template: Template = template.parse().expect("a template");
            template.fill(Path::new(name), Output::Jpeg, (800, 600)).to_string_lossy().into_owned()
        };
        assert_eq!(fill("{dir}/{stem}_{w}.{ext}", "x/y/a.png"), "x/y/a_800.jpg");
        assert_eq!(fill("{dir}/{stem}_{w}.{ext}", "a.JPG"), "a_800.JPG");
        assert_eq!(fill("{w}x{h}/{dir}/{stem}.{ext}", "d/a.jpg"), "800x600/d/a.jpg");
        assert_eq!(fill("thumb-{stem}.{ext}", "scan.v1"), "thumb-scan.v1.jpg");
    }

    #[test]
    fn an_extension_that_is_spelt_out_names_the_format() {
        let format = |template: &str| template.parse::<Template>().expect("a template").format();
        assert_eq!(format("{stem}.webp"), Some(Output::Webp));
        assert_eq!(format("{dir}/tn_{stem}_{w}.JPG"), Some(Output::Jpeg));
        for template in ["{stem}.{ext}", "{stem}", "{stem}.v2", "jpg/{stem}"] {
            assert_eq!(format(template), None, "{template}");
        }
    }

    #[test]
    fn templates_that_make_no_names_are_refused() {
        let texts = [
            "",
            "all.jpg",
            "{dir}.{ext}",
            "{stem}{",
            "{stem}}",
            "{name}",
            "../{stem}",
            "/tmp/{stem}",
            "{stem}.gif",
            "{stem}.heic",
        ];
        for text in texts {
            assert!(text.parse::<Template>().is_err(), "'{text}'");
        }
    }
}
