"""The pages of the dashboard, and the action that each needs."""

from otpconv.charts.drawing import Drawer
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.dashboard.choosing import ChoosingForm
from otpconv.web.pages.dashboard.message import MessagePage
from otpconv.web.pages.dashboard.page import Dashboard
from otpconv.web.pages.dashboard.views import LIST_ACTION, SAVE_ACTION, SavedViews
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.page import Page
from otpconv.web.pages.visitors import Visitors


def dashboard_pages(
    service: Service, bodies: Bodies, gate: Gate, *, layout: Layout, visitors: Visitors, drawer: Drawer
) -> list[Page]:
    """Return the dashboard, its forms and views, and the page of a message.

    Args:
        service: answers questions, and has the saved views.
        bodies: reads forms.
        gate: knows where a request came from.
        layout: renders pages.
        visitors: knows what a visitor may do.
        drawer: draws charts.
    """
    dashboard = Dashboard(service, layout, drawer, visitors)
    choosing = ChoosingForm(bodies, gate, service.clock)
    views = SavedViews(service, bodies, gate, layout=layout, visitors=visitors)
    message = MessagePage(service, bodies, gate, layout=layout, visitors=visitors)
    return [
        Page("/dashboard", "GET", dashboard.show, "otpconv:QueryRates"),
        Page("/dashboard/chart.svg", "GET", dashboard.chart, "otpconv:QueryRates"),
        Page("/dashboard/rates.csv", "GET", dashboard.csv, "otpconv:QueryRates"),
        Page("/dashboard/choices", "POST", choosing.post, "otpconv:QueryRates"),
        Page("/dashboard/views", "GET", views.show, LIST_ACTION),
        Page("/dashboard/views", "POST", views.save, SAVE_ACTION),
        Page("/dashboard/views/{view_id}/rename", "POST", views.rename),
        Page("/dashboard/views/{view_id}/delete", "POST", views.delete),
        Page("/dashboard/message", "GET", message.show, "otpconv:GetMessage"),
        Page("/dashboard/message", "POST", message.find),
    ]
