"""A pile of signed scans, from the copier to the cases (第六条第3项).

reading   pages and their codes, in the sandbox;  filing   for whom a page is, and how it is filed
work      taking a pile in, reading it in the background, clearing it away
"""
