"""``ucseg list``: named variants, networks of a library, designs in a file, axes of one."""
