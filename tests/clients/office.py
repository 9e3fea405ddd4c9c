"""office.py PIPE: works in a LibreOffice that listens on PIPE (soffice --accept), as somebody at its menus does.

Standard input says how, one step a line: `new FACTORY` (swriter, scalc), `open PATH`, `type TEXT`, `save`, `save-as PATH
FILTER`, `close`. Fails at the first step that LibreOffice refuses, with its words.
"""
import os
import sys
import time

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.io import IOException
from com.sun.star.lang import IllegalArgumentException

PATIENCE = 30


def end(message=""):
    """Ends at once: taken down in order, the bridge to LibreOffice sometimes crashes."""
    print(message, end="\n" if message else "", file=sys.stderr, flush=True)
    os._exit(1 if message else 0)


def connect(pipe):
    context = uno.getComponentContext()
    resolver = context.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", context)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def type_text(document, text):
    """Puts it at the end of a text, or into the first cell of a table."""
    if document.supportsService("com.sun.star.sheet.SpreadsheetDocument"):
        document.Sheets.getByIndex(0).getCellByPosition(0, 0).setString(text)
    else:
        document.Text.insertString(document.Text.End, text, False)


remote = connect(sys.argv[1])
desktop = remote.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", remote)
document = None
for line in sys.stdin.read().splitlines():
    step, _, text = line.partition(" ")
    try:
        if step == "new":
            document = desktop.loadComponentFromURL(f"private:factory/{text}", "_blank", 0, ())
        elif step == "open":
            document = desktop.loadComponentFromURL(uno.systemPathToFileUrl(text), "_blank", 0, ())
        elif step == "type":
            type_text(document, text)
        elif step == "save":
            document.store()
        elif step == "save-as":
            path, _, name = text.partition("\t")
            document.storeAsURL(uno.systemPathToFileUrl(path), (PropertyValue("FilterName", 0, name, 0),))
        elif step == "close":
            document.close(True)
        else:
            end(f"what is '{line}'?")
    except (IOException, IllegalArgumentException) as error:
        if document:
            document.close(True)
        end(f"{step}: {error.Message}")
    if document is None:
        end(f"{line}: it does not open")
end()
