"""Change a workbook (.xlsx) made by somebody else and leave everything else as it was written.

tags      tags found in the bytes of a part;   package   parts, relations, content types, zip
styles    cell formats;   notes   comments and their shapes;   sheets    rows and cells, streamed

The parts come from strangers: for use inside `xianning.sandbox` only. ECMA-376 parts 1, 2 and 4.
"""
