"""Write the generate_pages pages: `python -m affectstore.reference`."""

from affectstore.reference.pages import generate_pages

for path, text in generate_pages().items():
    path.write_text(text, encoding="utf-8")
    print(path)
