"""Among related models, who is the parent: families, a tree each, and the reasons for every edge."""
