"""What `bionicpro doctor` looks at: everything that must be right before the numbers can be."""
