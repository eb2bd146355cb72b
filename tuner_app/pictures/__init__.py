"""Pictures for a lecture or a page: labelled, and told apart by colour-blind eyes too."""
