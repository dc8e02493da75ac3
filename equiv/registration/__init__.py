r"""Which local isometry carries one coordinate domain into another: by periods, anchors and supports.

Doors: `result.Registration`, `result.Relation`, `anchors.exchanged`, `register.register`,
`project.register_projection`.

    result         What a registration of two coordinate domains consists of
    anchors        Motions that carry anchors to anchors, some of which may be wrong
    contradictions
                   Anchors that no isometry fits: another geometry that all of them agree on, or wrong ones
                   among them
    closed_spaces  Closed spaces without anchors: any shift along the periods fits, and an open direction is
                   fixed by its ends
    winding        Open regions of the plane wound round a cylinder: local isometries that no isometry goes
                   back on
    contrast       Whether two supports laid over each other are the same: their outlines, and samples where
                   the other has none
    open_strains   Strains that anchors leave open: fitted from the outlines beside the motion, and what they
                   say of it
    register       Registration: the local isometry between two coordinate domains
    project        Registration of a domain with one of fewer dimensions: the projection that frames of
                   lower rank leave
"""
