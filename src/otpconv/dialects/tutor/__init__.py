"""Describes the operations of all vendors but Alibaba, signs example calls, and diagnoses refused ones.

Each dialect describes itself in its module `tutor`; `dialects/vendors.py` lists them.
"""
