r"""One self-contained HTML file that says what a comparison found.

Doors: `markup.Link`, `markup.escape`, `markup.flattened`, `markup.in_words`, `markup.number`,
`markup.percent`, `markup.table`, `sections.HeldOut`, `sections.PictureStrip`, `sections.Section`,
`sections.section_html`, `page.page_html`, `page.versions`, `report.write_report`, `page.installed`, `ticks.log_ticks`.

    markup          Text, numbers, tables and pictures as HTML that needs nothing from outside, everything
                    escaped
    figures         Figures as HTML: those of matplotlib as drawings that take ink and colours from the
                    page, files as pictures
    svg             Charts as SVG; lines and letters take their colours from the report's style
    plots           Errors with their bounds, and spectra, as SVG that tells its numbers where it is pointed
                    at or touched
    ticks           Where the numbers of an axis stand
    correspondence  Which point of B's chart answers to a point of A's, and how far away it is
    angles          A closed curve whose coordinate is read as the angles that are known at some of its places
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
