"""Tencent Cloud's SMS API, as its SDKs call it: ReportConversion."""
