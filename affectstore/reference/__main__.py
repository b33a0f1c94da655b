"""Write the generated pages: `python -m affectstore.reference`."""

from affectstore.reference.pages import generated

for path, text in generated().items():
    path.write_text(text, encoding="utf-8")
    print(path)
