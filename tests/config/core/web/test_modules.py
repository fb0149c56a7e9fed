"""A page names all the modules that its script imports, so that they are fetched side by side."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage, staticfiles_storage
from django.template import Context, Template

from config.core.templatetags.modules import imported_modules

SCRIPTS = Path(__file__).resolve().parents[4] / "static"
PAGES = [path.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.glob("js/*/page.js")]


@pytest.mark.parametrize("page", PAGES)
def test_imported_modules_are_there_once_and_import_nothing_else(page: str) -> None:
    modules = imported_modules(page)
    assert len(set(modules)) == len(modules)
    assert page not in modules
    names = {Path(module).name for module in modules}
    for module in (page, *modules):
        text = (SCRIPTS / module).read_text(encoding="utf-8")
        imported = re.findall(r'from "([^"]+)";', text)
        assert {Path(name).name for name in imported} <= names, module


def test_page_script_writes_a_preload_of_each_module_and_the_script() -> None:
    html = Template('{% load modules %}{% page_script "js/gex/page.js" %}').render(Context())
    preloads = html.count('rel="modulepreload"')
    assert preloads == len(imported_modules("js/gex/page.js"))
    assert "js/charts/walked_figure" in html
    assert html.endswith("</script>")
    assert 'type="module" src="/static/js/gex/page' in html


def test_modules_are_read_where_only_collected_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "js/gex/page.js"
    expected = imported_modules(page)
    for module in (page, *expected):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SCRIPTS / module, tmp_path / module)
    monkeypatch.setattr(staticfiles_storage, "_wrapped", StaticFilesStorage(tmp_path))
    monkeypatch.setattr(finders, "find", lambda _module: None)
    imported_modules.cache_clear()
    assert imported_modules(page) == expected
