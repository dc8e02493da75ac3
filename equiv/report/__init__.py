r"""One self-contained HTML file that says what a comparison found.

Doors: `markup.escape`, `markup.flattened`, `markup.in_words`, `markup.percent`, `markup.table`,
`sections.PictureStrip`, `sections.Section`, `sections.section_html`, `page.page_html`,
`page.versions`, `report.write_report`, `page.installed`.

    markup          Text, numbers, tables and pictures as HTML that needs nothing from outside, everything
                    escaped
    svg             Charts, spectra and error bounds as SVG; lines and letters take their colours from the
                    report's style
    ticks           Where the numbers of an axis stand
    correspondence  Which point of B's chart answers to a point of A's, and how far away it is
    linked_charts   Two charts side by side, of which one lights up where the other is touched
    agreement       How well two charts agree: laid over each other, and where they fail
    shared          What is shared: errors of directions against their variance, and of neurons, with what
                    it means for the task
    measures        What the usual measures of similarity would have said, beside what a comparison found
    sections        What a program adds to a report: text with a figure and its numbers, or pictures with a
                    slider
    page            The frame of a report: one HTML page that needs nothing from outside, with its style and
                    its script inside
    report          One self-contained HTML file that says what a comparison found: `write_report`
"""
